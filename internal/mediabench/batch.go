//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	controlSize = 128
	bufferSize  = 256
	socketRoom  = 8 << 20
)

// batch is a UDP socket with room for several packets in one system call.
type batch struct {
	fd      int
	hdrs    []mmsghdr
	iovs    []syscall.Iovec
	names   []syscall.RawSockaddrInet4
	control [][controlSize]byte
	data    [][bufferSize]byte
}

type mmsghdr struct {
	hdr syscall.Msghdr
	len uint32
}

func openBatch(addr netip.AddrPort, n int) (*batch, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return nil, err
	}
	if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, socketRoom) != nil {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, socketRoom)
	}
	b := &batch{
		fd: fd, hdrs: make([]mmsghdr, n), iovs: make([]syscall.Iovec, n), names: make([]syscall.RawSockaddrInet4, n),
		control: make([][controlSize]byte, n), data: make([][bufferSize]byte, n),
	}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.data[i][0]
		h := &b.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov, h.Iovlen = &b.iovs[i], 1
	}
	return b, nil
}

// stamps asks for the time of arrival, the address that packets came to, and
// the count of those that were dropped.
func (b *batch) stamps() {
	_ = syscall.SetsockoptInt(b.fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	_ = syscall.SetsockoptInt(b.fd, syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
	_ = syscall.SetsockoptInt(b.fd, syscall.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	for i := range b.hdrs {
		b.hdrs[i].hdr.Control = &b.control[i][0]
	}
}

func (b *batch) addr() netip.AddrPort {
	sa, err := syscall.Getsockname(b.fd)
	if err != nil {
		return netip.AddrPort{}
	}
	in := sa.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
}

// receive takes what has arrived.
func (b *batch) receive() int {
	for i := range b.hdrs {
		h := &b.hdrs[i].hdr
		h.Namelen = syscall.SizeofSockaddrInet4
		if h.Control != nil {
			h.SetControllen(controlSize)
		}
		b.iovs[i].SetLen(bufferSize)
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(b.fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(b.hdrs)), syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// sendBack sends the first n packets back to where they came from.
func (b *batch) sendBack(n int) {
	for i := range n {
		b.iovs[i].SetLen(int(b.hdrs[i].len))
		b.hdrs[i].hdr.SetControllen(0)
	}
	b.send(n)
}

// send sends the first n packets and reports how many were taken.
func (b *batch) send(n int) int {
	at := 0
	for at < n {
		k, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(b.fd), uintptr(unsafe.Pointer(&b.hdrs[at])), uintptr(n-at), syscall.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			return at
		}
		at += int(k)
	}
	return at
}

// prepare makes packet i one of size bytes from participant who to addr.
func (b *batch) prepare(i, who, size int, to netip.AddrPort) {
	b.iovs[i].SetLen(size)
	name := &b.names[i]
	name.Family = syscall.AF_INET
	name.Addr = to.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], to.Port())
	h := &b.hdrs[i].hdr
	h.Namelen = syscall.SizeofSockaddrInet4
	c := (*syscall.Cmsghdr)(unsafe.Pointer(&b.control[i]))
	c.Level, c.Type = syscall.IPPROTO_IP, syscall.IP_PKTINFO
	c.SetLen(syscall.CmsgLen(syscall.SizeofInet4Pktinfo))
	info := (*syscall.Inet4Pktinfo)(unsafe.Pointer(&b.control[i][syscall.SizeofCmsghdr]))
	*info = syscall.Inet4Pktinfo{Spec_dst: participantAddr(who, 0).Addr().As4()}
	h.Control = &b.control[i][0]
	h.SetControllen(syscall.CmsgSpace(syscall.SizeofInet4Pktinfo))
}

// arrival is when packet i came, to which participant, and how many packets
// the kernel has dropped so far.
func (b *batch) arrival(i int) (at time.Duration, who int, dropped uint32) {
	c := b.control[i][:b.hdrs[i].hdr.Controllen]
	for len(c) >= syscall.SizeofCmsghdr {
		h := (*syscall.Cmsghdr)(unsafe.Pointer(&c[0]))
		data := c[syscall.SizeofCmsghdr:]
		switch {
		case h.Level == syscall.SOL_SOCKET && h.Type == syscall.SO_TIMESTAMPNS:
			at = time.Duration((*syscall.Timespec)(unsafe.Pointer(&data[0])).Nano())
		case h.Level == syscall.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL:
			dropped = *(*uint32)(unsafe.Pointer(&data[0]))
		case h.Level == syscall.IPPROTO_IP && h.Type == syscall.IP_PKTINFO:
			a := (*syscall.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Addr
			who = int(a[2])<<8 | int(a[3])
		}
		next := (int(h.Len) + 7) &^ 7
		if next <= 0 || next > len(c) {
			break
		}
		c = c[next:]
	}
	return at, who, dropped
}
