"""Reports: documents of tables, notes and figures, pure functions of tables; a renderer a file."""
