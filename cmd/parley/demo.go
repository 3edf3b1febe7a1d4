package main

import (
	"context"
	"errors"
)

// demoCmd is `parley demo`.
type demoCmd struct{}

// Run shows the conference and fails unless everything in it was right.
func (demoCmd) Run(context.Context, terminal) error {
	return errors.New("demo: not in this build yet")
}
