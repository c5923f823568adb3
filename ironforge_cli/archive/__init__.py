"""The archive: raw days and other tables as Parquet, in a folder or an S3-compatible store."""
