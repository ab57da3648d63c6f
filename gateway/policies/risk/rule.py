"""What an exchange weighs. Pure."""
