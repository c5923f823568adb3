"""The answers over HTTP: words in, words out. It knows the answers and the charts, and neither SQL nor settings."""
