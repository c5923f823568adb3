"""The PostgreSQL side: schema, servers, bulk loading and every query."""
