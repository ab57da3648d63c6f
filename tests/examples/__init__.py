"""The examples, tried as their readers would."""
