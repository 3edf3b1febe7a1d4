package servertest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// freePort is an address on loopback that is free for TCP and UDP and stays so:
// it lies below the ports that the kernel gives to whoever asks for any, so
// that something can listen there again later.
func freePort(tb testing.TB) string {
	tb.Helper()
	for range 1000 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(10240+rand.IntN(9000)))
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
		if err != nil {
			continue
		}
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		_ = tcp.Close()
		if err != nil {
			continue
		}
		_ = udp.Close()
		return addr.String()
	}
	tb.Fatal("no port is free")
	return ""
}
