package media

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alarm lets a beat sleep until its next slot. The thread itself sleeps in the
// kernel: a timer of the Go runtime goes off in whichever thread polls the
// network, to the millisecond, and only when the machine has time for that
// thread, which does not have the priority of the beat's.
//
// While it sleeps the thread keeps its processor of the Go scheduler, so each
// shard has one more than there would be (see moreProcs).
type alarm struct {
	fd     int // an eventfd
	asleep atomic.Bool
}

func newAlarm() (*alarm, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &alarm{fd: fd}, nil
}

func (a *alarm) close() { _ = syscall.Close(a.fd) }

// ring ends the sleep, if there is one.
func (a *alarm) ring() {
	if a.asleep.CompareAndSwap(true, false) {
		one := [8]byte{1}
		_, _ = syscall.Write(a.fd, one[:])
	}
}

// sleep sleeps for d, or until ring. Between set, after which ring has effect,
// and sleep, look whether there is a reason not to.
func (a *alarm) sleep(d time.Duration) {
	fds := unix.PollFd{Fd: int32(a.fd), Events: unix.POLLIN}
	ts := syscall.NsecToTimespec(int64(d))
	n, _, _ := syscall.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	a.asleep.Store(false)
	if n == 1 {
		var b [8]byte
		_, _ = syscall.Read(a.fd, b[:])
	}
}

func (a *alarm) set() { a.asleep.Store(true) }

func (a *alarm) unset() { a.asleep.Store(false) }

// moreProcs gives the Go scheduler n more processors, or fewer.
func moreProcs(n int) { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n) }
