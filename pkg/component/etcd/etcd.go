// Package etcd is the cluster's memory.
package etcd

import (
	"context"
	_ "embed"
	"net/netip"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name    = names.Etcd
	pkiDir  = names.PKIDir + "/etcd"
	dataDir = "/var/lib/etcd"
)

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New is etcd, one member on each control plane.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "keeps every object of the cluster, and tells the API server of each change",
			Lesson: lesson,
			Flags:  Flags,
			Ports: []component.Port{
				{Number: 2379, Protocol: "TCP", For: "the API server, by mutual TLS"},
				{Number: 2380, Protocol: "TCP", For: "the other members, by mutual TLS"},
				{Number: 2381, Protocol: "TCP", For: "health and metrics, for the node itself"},
			},
			Effect: component.Effect{Claim: "a value can be stored and read back", Try: remembers},
		},
		Content: component.Content{
			On:       component.ControlPlanes,
			Files:    files,
			Data:     []string{dataDir},
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.Kubelet, Until: component.UntilServing},
			},
			Ready: ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	list := []provider.File{
		{Path: pkiDir + "/ca.crt", Data: c.PKI.Etcd.CertPEM()},
		{Path: pkiDir + "/ca.key", Data: c.PKI.Etcd.KeyPEM(), Mode: 0o600},
	}
	names := []string{n.Name(), "localhost"}
	ips := append(n.IPs(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	for _, request := range []struct {
		path string
		pki.Request
	}{
		// A member's server certificate is its client certificate as well: the gRPC
		// gateway of etcd connects to its own server.
		{"server", pki.Request{CommonName: n.Name(), DNSNames: names, IPs: ips, Usage: pki.Peer}},
		{"peer", pki.Request{CommonName: n.Name(), DNSNames: names, IPs: ips, Usage: pki.Peer}},
		{"healthcheck-client", pki.Request{CommonName: "kube-etcd-healthcheck-client", Usage: pki.Client}},
	} {
		pair, err := c.PKI.Issue(c.PKI.Etcd, request.Request)
		if err != nil {
			return nil, err
		}
		list = append(list, component.Certificate(pkiDir+"/"+request.path, pair)...)
	}
	return list, nil
}

func peerURL(n provider.Node) string {
	return "https://" + netip.AddrPortFrom(n.IP(), 2380).String()
}

// members are all members and their peer URLs, as --initial-cluster has them. All
// are known before the first one starts, so that nobody has to join.
func members(c *cluster.Cluster) string {
	var list []string
	for _, n := range c.ControlPlanes() {
		list = append(list, n.Name()+"="+peerURL(n))
	}
	return strings.Join(list, ",")
}

func state(c *cluster.Cluster, n provider.Node) string {
	if c.Joining == n.Name() {
		return "existing"
	}
	return "new"
}

// Flags are etcd's, see https://etcd.io/docs/latest/op-guide/configuration/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	client := "https://" + netip.AddrPortFrom(n.IP(), 2379).String()
	peer := peerURL(n)
	flags := []component.Flag{
		{Name: "name", Value: n.Name(), Why: "A member is known by its node's name."},
		{Name: "data-dir", Value: dataDir, Why: "The database lies on the node, outside of the container: it outlives it."},
		{Name: "initial-cluster", Value: members(c), Why: "The members that form the cluster at its first start."},
		{Name: "initial-cluster-state", Value: state(c, n), Why: "Whether this member forms a new cluster or joins one that was told of it."},
		{Name: "initial-advertise-peer-urls", Value: peer, Why: "Where the other members reach this one."},
		{Name: "listen-peer-urls", Value: peer, Why: "Members speak to each other on the cluster's network only."},
		{Name: "advertise-client-urls", Value: client, Why: "Where clients are told to go."},
		{Name: "listen-client-urls", Value: "https://127.0.0.1:2379," + client, Why: "The API server of this node connects locally."},
		{Name: "listen-metrics-urls", Value: "http://127.0.0.1:2381", Why: "Health and metrics without a certificate, from the node only: the kubelet probes it."},
		{Name: "cert-file", Value: pkiDir + "/server.crt", Why: "etcd proves to its clients who it is."},
		{Name: "key-file", Value: pkiDir + "/server.key", Why: "The key of that certificate."},
		{Name: "client-cert-auth", Value: "true", Why: "Who has no certificate of etcd's own authority is refused: whoever reads etcd reads every Secret."},
		{Name: "trusted-ca-file", Value: pkiDir + "/ca.crt", Why: "The authority that clients' certificates must come from."},
		{Name: "peer-cert-file", Value: pkiDir + "/peer.crt", Why: "Members prove who they are to each other."},
		{Name: "peer-key-file", Value: pkiDir + "/peer.key", Why: "The key of that certificate."},
		{Name: "peer-client-cert-auth", Value: "true", Why: "Only members may join in."},
		{Name: "peer-trusted-ca-file", Value: pkiDir + "/ca.crt", Why: "The authority that members' certificates must come from."},
		{Name: "snapshot-count", Value: "10000", Why: "A snapshot after so many changes, as kubeadm has it."},
		{Name: "watch-progress-notify-interval", Value: "5s", Why: "Lets the API server's watch cache know how fresh it is."},
	}
	return append(flags, election(c)...)
}

// election are the flags of a member that stays alone, as one does whose cluster has no load
// balancer: no other control plane can come. Before it elects itself it waits for up to an
// election's timeout; nobody else is there whom a short one could mislead. See
// https://etcd.io/docs/latest/tuning/#time-parameters.
func election(c *cluster.Cluster) []component.Flag {
	if c.LoadBalancer() != nil || len(c.ControlPlanes()) > 1 {
		return nil
	}
	return []component.Flag{
		{Name: "heartbeat-interval", Value: "20", Why: "In milliseconds; there is nobody to send one to."},
		{Name: "election-timeout", Value: "100", Why: "In milliseconds: the only member wins each election, and need not wait long for others."},
	}
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	return component.StaticPod(name, manifest, map[string]any{
		"Image":   component.Registry + "etcd:" + n.Versions().Etcd,
		"Command": append([]string{"etcd"}, component.Args(c.Config, name, Flags(c, n))...),
		"PKIDir":  pkiDir, "DataDir": dataDir,
	})
}

// ready asks the member whether it can serve linearizable reads, see
// https://etcd.io/docs/latest/op-guide/monitoring/#health-check.
func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", 2381, "/readyz")
}
