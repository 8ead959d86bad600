// Package etcd runs etcd, the cluster's database.
package etcd

import (
	"context"
	_ "embed"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
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

// New returns etcd, with one member on each control plane.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "stores all objects of the cluster, and notifies the API server of each change",
			Lesson: lesson,
			Flags:  Flags,
			Ports: []component.Port{
				{Number: 2379, Protocol: "TCP", For: "the API server, with mutual TLS"},
				{Number: 2380, Protocol: "TCP", For: "the other members, with mutual TLS"},
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
	if !mounted(c.Spec(n)) {
		// The kubelet would create the folder with the mode 0755, and etcd would warn of that.
		list = append(list, provider.File{Path: dataDir, Mode: fs.ModeDir | 0o700})
	}
	names := []string{n.Name(), "localhost"}
	ips := append(n.IPs(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	for _, request := range []struct {
		path string
		pki.Request
	}{
		// A member's server certificate is also a client certificate: the gRPC gateway of etcd
		// connects to its own server with it.
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

// mounted reports whether the data folder is one of the user's, whose owner and mode stay.
func mounted(n config.Node) bool {
	return slices.ContainsFunc(n.ExtraMounts, func(m config.Mount) bool { return path.Clean(m.ContainerPath) == dataDir })
}

func peerURL(n provider.Node) string {
	return "https://" + netip.AddrPortFrom(n.IP(), 2380).String()
}

// members returns all members with their peer URLs, in the format of --initial-cluster. All are
// known before the first one starts, so that no member has to join later.
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

// Flags returns the flags of etcd. See https://etcd.io/docs/latest/op-guide/configuration/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	client := "https://" + netip.AddrPortFrom(n.IP(), 2379).String()
	peer := peerURL(n)
	flags := []component.Flag{
		{Name: "name", Value: n.Name(), Why: "Each member has the name of its node."},
		// The fault etcd-full (learn/fault/node.go) inserts --quota-backend-bytes after this flag.
		{Name: "data-dir", Value: dataDir, Why: "The database is on the node, outside of the container, so that it outlives the container."},
		{Name: "initial-cluster", Value: members(c), Why: "These members form the cluster at its first start."},
		{Name: "initial-cluster-state", Value: state(c, n), Why: "A member forms a new cluster, or joins an existing one to which mkube has added it."},
		{Name: "initial-advertise-peer-urls", Value: peer, Why: "The other members reach this one at this address."},
		{Name: "listen-peer-urls", Value: peer, Why: "Members communicate on the cluster's network only."},
		{Name: "advertise-client-urls", Value: client, Why: "The member announces this address to clients."},
		{Name: "listen-client-urls", Value: "https://127.0.0.1:2379," + client, Why: "The API server of this node connects locally."},
		{Name: "listen-metrics-urls", Value: "http://127.0.0.1:2381", Why: "Health and metrics need no certificate here, but only the node itself can connect. The kubelet probes this address."},
		{Name: "cert-file", Value: pkiDir + "/server.crt", Why: "etcd identifies itself to clients with this certificate."},
		{Name: "key-file", Value: pkiDir + "/server.key", Why: "This is the key of that certificate."},
		{Name: "client-cert-auth", Value: "true", Why: "Clients must have a certificate of etcd's own authority, because whoever can read etcd can read every Secret."},
		{Name: "trusted-ca-file", Value: pkiDir + "/ca.crt", Why: "The certificates of clients must come from this authority."},
		{Name: "peer-cert-file", Value: pkiDir + "/peer.crt", Why: "Members identify themselves to each other with this certificate."},
		{Name: "peer-key-file", Value: pkiDir + "/peer.key", Why: "This is the key of that certificate."},
		{Name: "peer-client-cert-auth", Value: "true", Why: "Only members can connect to members."},
		{Name: "peer-trusted-ca-file", Value: pkiDir + "/ca.crt", Why: "The certificates of members must come from this authority."},
		{Name: "snapshot-count", Value: "10000", Why: "etcd takes a snapshot after this number of changes, as in clusters of kubeadm."},
		{Name: "watch-progress-notify-interval", Value: "5s", Why: "These notifications let the API server's watch cache know how current it is."},
	}
	return append(flags, election(c)...)
}

// election returns the flags of a member that stays the only one. That is the case in a cluster
// without a load balancer, to which no control plane can be added. Before such a member elects
// itself, it waits for up to the election timeout. A short timeout is safe, because there is no
// other member. See https://etcd.io/docs/latest/tuning/#time-parameters.
func election(c *cluster.Cluster) []component.Flag {
	if c.LoadBalancer() != nil || len(c.ControlPlanes()) > 1 {
		return nil
	}
	return []component.Flag{
		{Name: "heartbeat-interval", Value: "20", Why: "The value is in milliseconds. A single member has no other member to send heartbeats to."},
		{Name: "election-timeout", Value: "100", Why: "The value is in milliseconds. A single member wins every election, and need not wait long for others."},
	}
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image":   component.Registry + "etcd:" + n.Versions().Etcd,
		"Command": append([]string{"etcd"}, component.Args(c.Config, name, Flags(c, n))...),
		"DataDir": dataDir,
	})
}

// ready checks whether the member can serve linearizable reads. See
// https://etcd.io/docs/latest/op-guide/monitoring/#health-check.
func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", 2381, "/readyz")
}
