"""A bench in this process, on virtual time: months in seconds, from one seed the same bytes."""
