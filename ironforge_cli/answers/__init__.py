"""What each asking command says: reads, computes, and returns a frozen answer. It never writes."""
