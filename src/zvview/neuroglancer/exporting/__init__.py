"""Static exports: what the live server answers, as files that any web server or bucket can host."""
