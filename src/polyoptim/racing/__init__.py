"""Many runs at once, compared fairly: race, sweep, advise."""
