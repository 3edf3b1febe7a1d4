package sip

import "sync"

// inbox is what a call's goroutine has to do, in order.
type inbox struct {
	wake chan struct{} // has room for one

	mu     sync.Mutex
	queue  []func() // guarded by mu
	closed bool     // guarded by mu
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds f; false if nobody will run it any more.
func (b *inbox) put(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.queue = append(b.queue, f)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

// take waits for something to do and gives all of it.
func (b *inbox) take() []func() {
	for {
		b.mu.Lock()
		q := b.queue
		b.queue = nil
		b.mu.Unlock()
		if len(q) > 0 {
			return q
		}
		<-b.wake
	}
}

// close takes nothing more, and gives what is left.
func (b *inbox) close() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	q := b.queue
	b.queue = nil
	return q
}
