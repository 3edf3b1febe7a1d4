package media

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls are made directly: the runtime's poller would wake a thread
// for each packet that arrives, and golang.org/x/net allocates an address for
// each one. RawSyscall6 keeps the processor for the at most 0.2 ms that a full
// batch takes; handing it over and getting it back costs more.

// receiveBuffer is what a port asks the kernel for: a beat of packets for all
// its sessions, many times.
const receiveBuffer = 1 << 20

// expedited is the class of traffic for telephony, EF (RFC 4594 section 4.1), as
// the type of service.
const expedited = 46 << 2

// beatNice is the priority that the thread of a beat asks for, if it may.
const beatNice = -15

// prefer lets the calling thread run before others when the machine is busy.
func prefer() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 1}
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), beatNice)
	}
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr syscall.Msghdr
	len uint32
}

// stampSize is the room for the control message with the time of arrival.
const stampSize = 32

// inbox is where packets are received to, and what the system call needs.
type inbox struct {
	packets [inboxSize]datagram
	hdrs    [inboxSize]mmsghdr
	iovs    [inboxSize]syscall.Iovec
	names   [inboxSize]syscall.RawSockaddrInet4
	stamps  [inboxSize][stampSize]byte
	data    [inboxSize][packetSize]byte
	used    int
}

func newInbox() *inbox {
	in := new(inbox)
	for i := range in.hdrs {
		in.iovs[i].Base = &in.data[i][0]
		in.iovs[i].SetLen(packetSize)
		h := &in.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Iov = &in.iovs[i]
		h.Iovlen = 1
		h.Control = &in.stamps[i][0]
	}
	in.used = inboxSize
	return in
}

// outboxSys is what the system call needs of an outbox.
type outboxSys struct {
	hdrs  [outboxSize]mmsghdr
	iovs  [outboxSize]syscall.Iovec
	names [outboxSize]syscall.RawSockaddrInet4
}

func newOutbox() *outbox {
	o := new(outbox)
	for i := range o.sys.hdrs {
		o.sys.iovs[i].Base = &o.data[i][0]
		o.sys.names[i].Family = syscall.AF_INET
		h := &o.sys.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&o.sys.names[i]))
		h.Namelen = syscall.SizeofSockaddrInet4
		h.Iov = &o.sys.iovs[i]
		h.Iovlen = 1
	}
	return o
}

// linuxSocket is a socket by its file descriptor.
type linuxSocket int

// listen opens a socket on addr.
func listen(addr netip.AddrPort) (socket, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("bind %v: %w", addr, err)
	}
	// All these are wishes: without them there is less room, less precise time.
	if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	// No packet of ours needs to be fragmented: without that, the kernel need
	// not number them, which is a twentieth of what sending costs.
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_TOS, expedited)
	return linuxSocket(fd), nil
}

func (s linuxSocket) close() { _ = syscall.Close(int(s)) }

func (s linuxSocket) receive(in *inbox) int {
	for i := range in.used {
		h := &in.hdrs[i].hdr
		h.Namelen = syscall.SizeofSockaddrInet4
		h.SetControllen(stampSize)
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s), uintptr(unsafe.Pointer(&in.hdrs)), inboxSize, syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		in.used = 0
		return 0
	}
	in.used = int(n)
	var now time.Time
	if n > 0 {
		now = time.Now()
	}
	for i := range in.used {
		h, d := &in.hdrs[i], &in.packets[i]
		d.data = in.data[i][:min(int(h.len), packetSize)]
		if h.hdr.Flags&syscall.MSG_TRUNC != 0 {
			d.data = nil
		}
		name := &in.names[i]
		port := (*[2]byte)(unsafe.Pointer(&name.Port))
		a := name.Addr
		d.from = endpoint(a[0])<<40 | endpoint(a[1])<<32 | endpoint(a[2])<<24 | endpoint(a[3])<<16 | endpoint(port[0])<<8 | endpoint(port[1])
		d.age = stampAge(&in.stamps[i], int(h.hdr.Controllen), now)
	}
	return in.used
}

// stampAge is how long ago a packet arrived, by the kernel's clock.
func stampAge(stamp *[stampSize]byte, n int, now time.Time) time.Duration {
	if n < stampSize {
		return 0
	}
	h := (*syscall.Cmsghdr)(unsafe.Pointer(stamp))
	if h.Level != syscall.SOL_SOCKET || h.Type != syscall.SO_TIMESTAMPNS {
		return 0
	}
	t := (*syscall.Timespec)(unsafe.Pointer(&stamp[syscall.SizeofCmsghdr]))
	age := time.Duration(now.UnixNano() - t.Nano())
	if age < 0 || age > time.Second { // the wall clock was set meanwhile
		return 0
	}
	return age
}

func (s linuxSocket) send(o *outbox) (failed int) {
	for i := range o.n {
		o.sys.iovs[i].SetLen(o.size[i])
		name, d := &o.sys.names[i], o.dest[i]
		port := (*[2]byte)(unsafe.Pointer(&name.Port))
		port[0], port[1] = byte(d>>8), byte(d)
		name.Addr = [4]byte{byte(d >> 40), byte(d >> 32), byte(d >> 24), byte(d >> 16)}
	}
	for at := 0; at < o.n; {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s), uintptr(unsafe.Pointer(&o.sys.hdrs[at])), uintptr(o.n-at), syscall.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			at += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN, syscall.ENOBUFS: // no room: what is left would come late anyway
			return failed + o.n - at
		default: // this one cannot be sent: no route, refused
			at++
			failed++
		}
	}
	return failed
}
