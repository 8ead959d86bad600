package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
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
	question, err := questionFor(name, server.Addr().Is6())
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
		return fmt.Errorf("no answer within %s", "1 s")
	}
	var parser dnsmessage.Parser
	header, err := parser.Start(answer[:n])
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if err := parser.SkipAllQuestions(); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if _, err := parser.AnswerHeader(); err != nil || header.RCode != dnsmessage.RCodeSuccess {
		return fmt.Errorf("no address: response code %d", header.RCode)
	}
	return nil
}

func questionFor(name string, ipv6 bool) ([]byte, error) {
	absolute, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("invalid name %q: %w", name, err)
	}
	kind := dnsmessage.TypeA
	if ipv6 {
		kind = dnsmessage.TypeAAAA
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 0x4d4b, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: absolute, Type: kind, Class: dnsmessage.ClassINET}},
	}
	return message.Pack()
}
