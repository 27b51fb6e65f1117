"""What is measured and how it is told: cost, records, tables and figures."""
