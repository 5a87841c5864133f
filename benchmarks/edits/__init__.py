"""What people do to copies, of picture and of sound, each with the truth of what it copies from where."""
