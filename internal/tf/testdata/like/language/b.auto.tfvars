auto = ["x", "y"]
