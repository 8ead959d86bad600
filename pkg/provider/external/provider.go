// Package external makes nodes by a program of somebody else's, which is spoken to in JSON
// on its standard input and output: docs/provider-protocol.md.
package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Provider makes nodes by a program.
type Provider struct{ program, dir string }

var (
	_ provider.Provider = (*Provider)(nil)
	_ provider.Changer  = (*Provider)(nil)
	_ provider.Stopper  = (*Provider)(nil)
	_ provider.Starter  = (*Provider)(nil)
)

// New is the provider that is a program. dir holds a folder for each of its clusters; it
// need not exist.
func New(program, dir string) *Provider { return &Provider{program, dir} }

// request is one of a cluster.
func (p *Provider) request(method, cluster string) Request {
	return Request{Protocol: Version, Method: method, Cluster: cluster, Dir: p.folder(cluster)}
}

// folder is that of a cluster, "" for a name that can be none's.
func (p *Provider) folder(cluster string) string {
	if cluster == "" || strings.HasPrefix(cluster, ".") || strings.ContainsAny(cluster, `/\`) {
		return ""
	}
	return filepath.Join(p.dir, cluster)
}

func (p *Provider) exists(cluster string) bool {
	dir := p.folder(cluster)
	_, err := os.Stat(dir)
	return dir != "" && err == nil
}

// Check asks the program.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) error {
	r := p.request("check", cfg.Name)
	r.Config, r.Names = &cfg, cfg.NodeNames()
	return p.call(ctx, r, nil, nil)
}

// Create makes the cluster's folder and asks the program to boot nodes.
func (p *Provider) Create(ctx context.Context, cfg config.Cluster, seed provider.Seed) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	err := os.Mkdir(p.folder(cfg.Name), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cluster %s exists already: mkube delete cluster --name %[1]s takes away what is left of it", cfg.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	r := p.request("create", cfg.Name)
	r.Config, r.Names = &cfg, cfg.NodeNames()
	return p.boot(ctx, r, seed)
}

// Add asks the program to boot one more node.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, seed provider.Seed) error {
	r := p.request("add", cfg.Name)
	r.Config, r.Names, r.Index = &cfg, cfg.NodeNames(), i
	_, err := p.boot(ctx, r, seed)
	return err
}

// boot makes nodes: the program tells of them, is told their files, and boots them.
func (p *Provider) boot(ctx context.Context, r Request, seed provider.Seed) ([]provider.Node, error) {
	var nodes []provider.Node
	answer, tell := io.Pipe()
	defer tell.Close()
	err := p.call(ctx, r, answer, func(reply Reply) error {
		if reply.Nodes == nil || nodes != nil {
			return nil
		}
		nodes = p.nodes(r.Cluster, reply.Nodes)
		line, err := seedLine(nodes, seed)
		if err != nil {
			_ = tell.Close() // the program's input ends
			return err
		}
		_, err = tell.Write(line)
		return err
	})
	if err == nil && nodes == nil {
		err = fmt.Errorf("%s: %s: it told of no nodes", filepath.Base(p.program), r.Method)
	}
	return nodes, err
}

// seedLine has an archive for each node, which may be an empty one.
func seedLine(nodes []provider.Node, seed provider.Seed) ([]byte, error) {
	files, err := seed(nodes)
	if err != nil {
		return nil, err
	}
	s := Seed{Files: map[string][]byte{}}
	for _, n := range nodes {
		var archive bytes.Buffer
		if err := provider.Archive(&archive, files[n.Name()]); err != nil {
			return nil, err
		}
		s.Files[n.Name()] = archive.Bytes()
	}
	line, err := json.Marshal(s)
	return append(line, '\n'), err
}

// Nodes asks the program, for a cluster that has a folder.
func (p *Provider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil || !p.exists(cluster) {
		return nil, err
	}
	var nodes []provider.Node
	err := p.call(ctx, p.request("nodes", cluster), nil, func(r Reply) error {
		nodes = append(nodes, p.nodes(cluster, r.Nodes)...)
		return nil
	})
	slices.SortStableFunc(nodes, func(a, b provider.Node) int { return rank(a.Role()) - rank(b.Role()) })
	return nodes, err
}

func rank(r config.Role) int {
	return slices.Index([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, r)
}

func (p *Provider) nodes(cluster string, list []Node) []provider.Node {
	var nodes []provider.Node
	for _, n := range list {
		nodes = append(nodes, &node{provider: p, cluster: cluster, known: n})
	}
	return nodes
}

// Clusters lists the clusters that have a folder. The program is not asked.
func (p *Provider) Clusters(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && p.folder(e.Name()) != "" {
			names = append(names, e.Name())
		}
	}
	return names, err // ReadDir sorts
}

// Delete asks the program to take the cluster away, and removes its folder.
func (p *Provider) Delete(ctx context.Context, cluster string) error {
	if err := ctx.Err(); err != nil || !p.exists(cluster) {
		return err
	}
	if err := p.call(ctx, p.request("delete", cluster), nil, nil); err != nil {
		return err
	}
	return os.RemoveAll(p.folder(cluster))
}

// Remove asks the program to take one node away.
func (p *Provider) Remove(ctx context.Context, cluster, node string) error {
	r := p.request("remove", cluster)
	r.Node = node
	return p.call(ctx, r, nil, nil)
}

// Stop asks the program to stop the nodes.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	return p.call(ctx, p.request("stop", cluster), nil, nil)
}

// Start asks the program to start the nodes again.
func (p *Provider) Start(ctx context.Context, cluster string) error {
	return p.call(ctx, p.request("start", cluster), nil, nil)
}
