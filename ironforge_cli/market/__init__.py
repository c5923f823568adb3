"""Pure figures: what a snapshot says about prices, and two about sales. No I/O, no clock, no SQL."""
