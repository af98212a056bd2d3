"""Reading records: what is asked, how it is encoded, and how it is run."""
