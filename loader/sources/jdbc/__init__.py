"""Tables, views and queries of databases.

The Python drivers only ask (catalogue, bounds, counts); Spark's JDBC source reads the rows. Both
see one snapshot where the database can share one. What a driver would change silently (numbers
without precision, times, infinity, unsigned numbers, zero dates) leaves the database as text or as
a whole number, and is made what it is in Spark.

Bounds, parts and what the database counts of them stand in the ledger before anything is read. The
rows are then held by Spark, counted again and compared; only what agrees with the source is
committed to the raw table.
"""
