// Package heartbeat sends and receives the heartbeats of nodes as UDP packets.
//
// A packet of a pod has the address of its node as its source. So each heartbeat contains a code
// that only programs with the key of the cluster can compute. Pods cannot read the packets of
// nodes, and so they cannot repeat one.
package heartbeat

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"k8s.io/klog/v2"

	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
)

// Port is the UDP port on which every node receives heartbeats.
const Port = 10258

// UDP implements speaker.Air.
type UDP struct {
	conn     *net.UDPConn
	address  netip.Addr
	port     uint16
	key      []byte
	received chan speaker.Heard
}

// Listen receives heartbeats at an address of this node until the context ends. Heartbeats that this
// node sends have the same address as their source. All nodes of a cluster have the same key.
func Listen(ctx context.Context, address netip.Addr, key []byte) (*UDP, error) {
	return listen(ctx, netip.AddrPortFrom(address, Port), Port, key)
}

// listen receives at one port and sends to another one. The ports differ only in tests, where the
// nodes share one address.
func listen(ctx context.Context, at netip.AddrPort, to uint16, key []byte) (*UDP, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("listening for heartbeats: %w", err)
	}
	u := &UDP{conn: conn, address: at.Addr().Unmap(), port: to, key: key, received: make(chan speaker.Heard, 64)}
	context.AfterFunc(ctx, func() { conn.Close() })
	go u.receive()
	return u, nil
}

// A heartbeat consists of this text, the digit 1 if the node is ready or else 0, and the code of
// both.
var magic = []byte("mkube speaker 2 ")

func (u *UDP) encode(to netip.Addr, b speaker.Beat) []byte {
	text := append(bytes.Clone(magic), '0')
	if b.Ready {
		text[len(magic)] = '1'
	}
	return append(text, u.code(u.address, to.Unmap(), text)...)
}

func (u *UDP) decode(from netip.Addr, packet []byte) (b speaker.Beat, ok bool) {
	size := len(magic) + 1
	if len(packet) != size+sha256.Size || !bytes.HasPrefix(packet, magic) {
		return b, false
	}
	text, code := packet[:size], packet[size:]
	return speaker.Beat{Ready: text[size-1] == '1'}, hmac.Equal(code, u.code(from, u.address, text))
}

// code returns the HMAC-SHA256 of a heartbeat's text between two nodes. It contains their addresses,
// so that the heartbeat of one node is not one of another node.
func (u *UDP) code(from, to netip.Addr, text []byte) []byte {
	mac := hmac.New(sha256.New, u.key)
	fmt.Fprintf(mac, "%s %s %s", from, to, text)
	return mac.Sum(nil)
}

// receive puts heartbeats into the channel received. It drops other packets, and heartbeats that
// arrive while the channel is full.
func (u *UDP) receive() {
	buffer := make([]byte, 64) // longer than a heartbeat
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // one failed read does not end the loop
			continue
		}
		sender := from.Addr().Unmap()
		if b, ok := u.decode(sender, buffer[:n]); ok {
			select {
			case u.received <- speaker.Heard{From: sender, Beat: b}:
			default:
			}
		}
	}
}

// Send sends a heartbeat.
func (u *UDP) Send(to netip.Addr, b speaker.Beat) {
	if _, err := u.conn.WriteToUDPAddrPort(u.encode(to, b), netip.AddrPortFrom(to, u.port)); err != nil {
		klog.V(2).InfoS("Failed to send a heartbeat", "to", to, "err", err)
	}
}

// Received returns the channel of received heartbeats.
func (u *UDP) Received() <-chan speaker.Heard { return u.received }
