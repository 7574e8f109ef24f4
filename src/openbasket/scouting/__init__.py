"""What a scout, a coach or a player opens: a report card with evidence."""
