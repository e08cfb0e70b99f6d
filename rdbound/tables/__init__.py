"""The tables that stages write and everything downstream reads: schema, read, write, check."""
