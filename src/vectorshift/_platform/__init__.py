"""Clock, forks, background tasks, URLs, files and syntax: everything below credentials."""
