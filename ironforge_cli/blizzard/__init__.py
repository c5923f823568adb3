"""The API side: sessions, endpoints and the parsing of answers."""
