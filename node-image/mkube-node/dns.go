package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

const (
	// dockersServer is the address of Docker's DNS server on a node's loopback interface.
	dockersServer = "127.0.0.11"
	// dockersRule is the prefix of the rules with which Docker redirects requests to its server.
	dockersRule   = "-A DOCKER_OUTPUT -d " + dockersServer + "/32"
	resolvConf    = "/etc/resolv.conf"
	routeLocalnet = "/proc/sys/net/ipv4/conf/all/route_localnet"
)

// nodeDNS makes Docker's DNS server available to pods, which cannot reach the node's loopback
// interface. It copies Docker's rules in the NAT table to the chains for packets from pods, under the
// address of the node's gateway. It does not change a node with another resolver, or without a gateway.
func nodeDNS(_ []string, _, stderr io.Writer) int {
	if err := openDNS(stderr); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func openDNS(stderr io.Writer) error {
	routes, err := exec.Command("ip", "route", "show", "default").Output()
	if err != nil {
		return fmt.Errorf("reading the default route: %w", err)
	}
	gateway := gatewayOf(string(routes))
	resolv, err := os.ReadFile(resolvConf)
	if err != nil {
		return err
	}
	opened, ok := withServer(string(resolv), gateway)
	if !ok || gateway == "" {
		return nil
	}
	// The host's iptables has written the rules, through one of two interfaces of the kernel.
	for _, iptables := range []string{"iptables-nft", "iptables-legacy"} {
		saved, err := exec.Command(iptables+"-save", "--table", "nat").Output()
		rules := openedRules(string(saved), gateway)
		if err != nil || rules == "" {
			continue
		}
		restore := exec.Command(iptables+"-restore", "--noflush")
		restore.Stdin, restore.Stderr = strings.NewReader(rules), stderr
		if err := restore.Run(); err != nil {
			return fmt.Errorf("adding the rules of Docker's DNS server: %w", err)
		}
		// With route_localnet, the node accepts packets from pods to a loopback address.
		if err := os.WriteFile(routeLocalnet, []byte("1\n"), 0o644); err != nil {
			return err
		}
		// The file is a mount of Docker, so it can be written but not replaced.
		return os.WriteFile(resolvConf, []byte(opened), 0o644)
	}
	fmt.Fprintln(stderr, "found no rules of Docker's DNS server: pods will not resolve names outside the cluster")
	return nil
}

// gatewayOf returns the gateway of the first of the default routes, "" if there is none.
func gatewayOf(routes string) string {
	line, _, _ := strings.Cut(routes, "\n")
	if words := strings.Fields(line); len(words) > 2 {
		return words[2]
	}
	return ""
}

// withServer replaces Docker's DNS server by another one in a resolv.conf, see resolv.conf(5). It
// returns false if the file does not contain Docker's DNS server.
func withServer(resolv, server string) (string, bool) {
	lines, found := strings.Split(resolv, "\n"), false
	for i, line := range lines {
		if line == "nameserver "+dockersServer {
			lines[i], found = "nameserver "+server, true
		}
	}
	return strings.Join(lines, "\n"), found
}

// openedRules returns Docker's rules for packets to a gateway, from pods (PREROUTING) and from the node
// (OUTPUT), in the format of iptables-restore. It returns "" if there are no rules of Docker.
func openedRules(saved, gateway string) string {
	var out bytes.Buffer
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		for line := range strings.Lines(saved) {
			if rest, ok := strings.CutPrefix(line, dockersRule); ok {
				fmt.Fprintf(&out, "-A %s -d %s/32%s", chain, gateway, rest)
			}
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return "*nat\n" + out.String() + "COMMIT\n"
}
