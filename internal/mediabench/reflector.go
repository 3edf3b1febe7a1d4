//go:build linux

package main

import (
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"runtime"
	"time"
)

// perSocket is how many calls share a socket of the batched reflector.
const perSocket = 128

// reflect sends every packet back to where it came from: what any server has to
// spend. Either with a socket and a goroutine for each call, which read and
// write one packet at a time; or with shared sockets that are emptied every
// 20 ms in batches, as the media plane does it.
func reflect(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var pl plan
	if err := dec.Decode(&pl); err != nil {
		return err
	}
	n := pl.Shape.total()
	listen := simple
	if pl.Batched {
		listen = batched
	}
	addrs, closeAll, err := listen(n)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := enc.Encode(addrs); err != nil {
		return err
	}
	var word string
	if err := dec.Decode(&word); err != nil {
		return err
	}
	began, cpu := time.Now(), cpuTime()
	if err := dec.Decode(&word); err != nil {
		return err
	}
	return enc.Encode(serverReport{CPU: (cpuTime() - cpu).Seconds(), Seconds: time.Since(began).Seconds()})
}

// simple is a socket and a goroutine for each call.
func simple(n int) (addrs []string, closeAll func(), err error) {
	var conns []*net.UDPConn
	closeAll = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		conns = append(conns, c)
		addrs = append(addrs, c.LocalAddr().String())
		go func() {
			b := make([]byte, 1500)
			for {
				k, from, err := c.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = c.WriteToUDPAddrPort(b[:k], from)
			}
		}()
	}
	return addrs, closeAll, nil
}

// batched is shared sockets, emptied every 20 ms.
func batched(n int) (addrs []string, closeAll func(), err error) {
	var socks []*batch
	for i := range n {
		if i%perSocket == 0 {
			s, err := openBatch(netip.MustParseAddrPort("127.0.0.1:0"), 64)
			if err != nil {
				return nil, nil, err
			}
			socks = append(socks, s)
		}
		addrs = append(addrs, socks[len(socks)-1].addr().String())
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		next := time.Now()
		for {
			select {
			case <-quit:
				return
			default:
			}
			for _, s := range socks {
				for k := s.receive(); k > 0; k = s.receive() {
					s.sendBack(k)
				}
			}
			next = next.Add(20 * time.Millisecond)
			time.Sleep(time.Until(next))
		}
	}()
	return addrs, func() { close(quit); <-done }, nil
}
