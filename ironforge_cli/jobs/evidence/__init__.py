"""The rows around any job: attempts and benchmarks, and those that wait on disk for a database."""
