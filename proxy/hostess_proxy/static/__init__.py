"""Static sites, served from folders."""
