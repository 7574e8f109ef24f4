"""What the web pages of a study and of the explorer share: limits, headers, videos, the server."""
