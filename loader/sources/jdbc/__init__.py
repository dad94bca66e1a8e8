"""Tables, views and queries of databases.

The Python drivers only query the catalogue, bounds and counts; Spark's JDBC source reads the rows.
Both read one snapshot if the database can share one. Some values would be changed silently by a
driver (numbers without precision, times, infinity, unsigned numbers, zero dates). The database
returns these as text or as a whole number, and Spark converts them.

The bounds, the parts and the database's counts of them are in the ledger before anything is read.
Spark then keeps the rows, counts them again and compares; only rows that agree with the source are
committed to the raw table.
"""
