package link

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Announce announces to the network that this interface has an address. Neighbors with another
// link-layer address for it then update their entry.
func (l *Link) Announce(a netip.Addr) error {
	send := l.announceIPv6
	if a.Is4() {
		send = l.announceIPv4
	}
	if err := send(a); err != nil {
		return fmt.Errorf("announcing %s on %s: %w", a, l.name, err)
	}
	return nil
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// announceIPv4 sends an ARP announcement, see RFC 5227, section 2.3.
func (l *Link) announceIPv4(a netip.Addr) error {
	// With protocol 0, the socket receives no packets. It only sends.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: swap(unix.ETH_P_ARP), Ifindex: l.index, Halen: uint8(len(broadcast))}
	copy(to.Addr[:], broadcast)
	return unix.Sendto(fd, arpAnnouncement(l.hardware, a), 0, to)
}

// swap converts a number from the byte order of the host to network byte order.
func swap(n uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], n)
	return binary.BigEndian.Uint16(b[:])
}

// arpAnnouncement returns an ARP request whose sender and target IP addresses are the same, see
// RFC 826.
func arpAnnouncement(hardware net.HardwareAddr, a netip.Addr) []byte {
	packet := []byte{0, unix.ARPHRD_ETHER, 0x08, 0x00, 6, 4, 0, 1} // Ethernet, IPv4, lengths, request
	packet = append(packet, hardware...)
	packet = append(packet, a.AsSlice()...)
	packet = append(packet, make([]byte, 6)...)
	return append(packet, a.AsSlice()...)
}

// announceIPv6 sends an unsolicited neighbor advertisement, see RFC 4861, section
// 7.2.6.
func (l *Link) announceIPv6(a netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Receivers drop a packet with another hop limit, because a router may have forwarded it.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, l.index); err != nil {
		return err
	}
	allNodes := netip.MustParseAddr("ff02::1")
	return unix.Sendto(fd, neighborAdvertisement(l.hardware, a), 0, &unix.SockaddrInet6{Addr: allNodes.As16(), ZoneId: uint32(l.index)})
}

// neighborAdvertisement returns a neighbor advertisement that overrides the entries of neighbors. The
// kernel sets the checksum.
func neighborAdvertisement(hardware net.HardwareAddr, a netip.Addr) []byte {
	const override = 0x20
	packet := []byte{136, 0, 0, 0, override, 0, 0, 0}
	packet = append(packet, a.AsSlice()...)
	packet = append(packet, 2, 1) // option: target link-layer address, eight bytes long
	return append(packet, hardware...)
}
