"""What tabs share: inputs, examples, answers, words and looks."""
