"""The service: HTTP, database, jobs, web pages, command line and Python client."""
