package main

import "errors"

// phoneCmd is `parley phone`.
type phoneCmd struct{}

// Run is to be written.
func (phoneCmd) Run() error { return errors.New("phone: not in this build yet") }
