"""Reading and writing video. The only room that imports PyAV (whose wheels bring FFmpeg)."""
