"""The HTTP server itself: sockets, connections, deadlines and the way it stops."""
