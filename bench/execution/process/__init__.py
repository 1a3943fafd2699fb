"""Child processes: started, watched, limited, ended."""
