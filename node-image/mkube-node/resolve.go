package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolveLimit is the maximum time until a DNS server answers.
const resolveLimit = time.Second

// resolve sends one request for the address of a name to a DNS server, over UDP. It succeeds if there is
// an address. If the server has an IPv6 address, resolve requests an IPv6 address. The resolver of the
// node itself cannot resolve names of the cluster.
//
//	mkube-resolve SERVER NAME
func resolve(args []string, _, stderr io.Writer) int {
	if len(args) != 2 {
		fmt.Fprintln(stderr, "usage: mkube-resolve SERVER NAME")
		return 2
	}
	server, err := netip.ParseAddr(args[0])
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := lookUp(netip.AddrPortFrom(server, 53), args[1]); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func lookUp(server netip.AddrPort, name string) error {
	kind := dnsmessage.TypeA
	if server.Addr().Is6() {
		kind = dnsmessage.TypeAAAA
	}
	question, err := questionFor(name, kind)
	if err != nil {
		return err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(resolveLimit)); err != nil {
		return err
	}
	if _, err := conn.Write(question); err != nil {
		return err
	}
	answer := make([]byte, 512) // RFC 1035, 4.2.1: the most that UDP carries
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("no answer within %s", resolveLimit)
	}
	return checkAnswer(answer[:n], kind)
}

// checkAnswer returns an error unless an answer is a success and has a record of a type.
func checkAnswer(answer []byte, kind dnsmessage.Type) error {
	var message dnsmessage.Message
	if err := message.Unpack(answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	hasAddress := slices.ContainsFunc(message.Answers, func(r dnsmessage.Resource) bool { return r.Header.Type == kind })
	if message.RCode != dnsmessage.RCodeSuccess || !hasAddress {
		return fmt.Errorf("no address: response code %d", message.RCode)
	}
	return nil
}

func questionFor(name string, kind dnsmessage.Type) ([]byte, error) {
	absolute, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("invalid name %q: %w", name, err)
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 0x4d4b, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: absolute, Type: kind, Class: dnsmessage.ClassINET}},
	}
	return message.Pack()
}
