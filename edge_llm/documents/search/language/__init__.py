"""What is known of languages: how words are cut into terms, which say nothing, which mean the same."""
