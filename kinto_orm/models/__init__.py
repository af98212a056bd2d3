"""What a user declares: records, their fields, and how these are kept in JSON."""
