// Package heartbeat sends and receives the heartbeats of nodes as UDP packets.
package heartbeat

import (
	"bytes"
	"context"
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
	port     uint16
	received chan speaker.Heard
}

// Listen receives heartbeats at an address of this node until the context ends. Heartbeats that this
// node sends have the same address as their source.
func Listen(ctx context.Context, address netip.Addr) (*UDP, error) {
	return listen(ctx, netip.AddrPortFrom(address, Port), Port)
}

// listen receives at one port and sends to another one. The ports differ only in tests, where the
// nodes share one address.
func listen(ctx context.Context, at netip.AddrPort, to uint16) (*UDP, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("listening for heartbeats: %w", err)
	}
	u := &UDP{conn: conn, port: to, received: make(chan speaker.Heard, 64)}
	context.AfterFunc(ctx, func() { conn.Close() })
	go u.receive()
	return u, nil
}

// A heartbeat consists of this text and one byte: the digit 1 if the node is ready, else 0.
var magic = []byte("mkube speaker 1 ")

func encode(b speaker.Beat) []byte {
	ready := byte('0')
	if b.Ready {
		ready = '1'
	}
	return append(bytes.Clone(magic), ready)
}

func decode(packet []byte) (b speaker.Beat, ok bool) {
	rest, ok := bytes.CutPrefix(packet, magic)
	if !ok || len(rest) != 1 {
		return b, false
	}
	return speaker.Beat{Ready: rest[0] == '1'}, true
}

// receive puts heartbeats into the channel received. It drops other packets, and heartbeats that
// arrive while the channel is full.
func (u *UDP) receive() {
	buffer := make([]byte, 64)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // one failed read does not end the loop
			continue
		}
		if b, ok := decode(buffer[:n]); ok {
			select {
			case u.received <- speaker.Heard{From: from.Addr().Unmap(), Beat: b}:
			default:
			}
		}
	}
}

// Send sends a heartbeat.
func (u *UDP) Send(to netip.Addr, b speaker.Beat) {
	if _, err := u.conn.WriteToUDPAddrPort(encode(b), netip.AddrPortFrom(to, u.port)); err != nil {
		klog.V(2).InfoS("Failed to send a heartbeat", "to", to, "err", err)
	}
}

// Received returns the channel of received heartbeats.
func (u *UDP) Received() <-chan speaker.Heard { return u.received }
