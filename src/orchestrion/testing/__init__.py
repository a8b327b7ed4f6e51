"""What users import in their tests: the real application in process, with a clock to move."""
