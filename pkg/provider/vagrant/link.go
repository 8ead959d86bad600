package vagrant

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// dialLimit is how long one try to reach a machine may take; an emulated one needs
	// seconds for the handshake.
	dialLimit = 20 * time.Second
	// sessions is how many commands may run on one connection at once: sshd lets ten
	// (MaxSessions in sshd_config(5)), and some are left to who looks on.
	sessions = 8
	// pulse is how often a connection is asked whether it lives; it has as long to
	// answer three times over.
	pulse = 15 * time.Second
)

// link is the one SSH connection to a machine: opened when it is first needed, used by
// all commands, and opened again when it was lost.
type link struct {
	name string
	// target says where the machine is; anew makes vagrant look again, since addresses
	// change when a machine is started.
	target         func() (target, error)
	refreshAddress func(context.Context) error
	slots          chan struct{}
	// dialing is held by the one who opens the connection.
	dialing chan struct{}

	mu     sync.Mutex
	client *client
	gone   bool // the machine was destroyed
}

// client is a connection. ended is closed when it has ended.
type client struct {
	*ssh.Client
	ended chan struct{}
}

func newClient(c *ssh.Client) *client {
	made := &client{c, make(chan struct{})}
	go func() {
		_ = c.Wait()
		close(made.ended)
	}()
	return made
}

// link is the connection of a cluster's machine, the same for all who ask.
func (p *Provider) link(cluster, name string) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := cluster + "/" + name
	if p.links[key] == nil {
		p.links[key] = &link{
			name: name, slots: make(chan struct{}, sessions), dialing: make(chan struct{}, 1),
			target:         func() (target, error) { return p.target(cluster, name) },
			refreshAddress: func(ctx context.Context) error { return p.learn(ctx, cluster) },
		}
	}
	return p.links[key]
}

// disconnect closes the connections of a cluster, whose machines get other addresses.
func (p *Provider) disconnect(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, l := range p.links {
		if key == cluster+"/"+l.name {
			l.hangUp()
		}
	}
}

// forget closes the connections of a cluster for good: its machines go.
func (p *Provider) forget(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, l := range p.links {
		if key == cluster+"/"+l.name {
			l.close()
			delete(p.links, key)
		}
	}
}

// drop closes the connection of one machine, which goes.
func (p *Provider) drop(cluster, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := cluster + "/" + name
	if l := p.links[key]; l != nil {
		l.close()
		delete(p.links, key)
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	if l.client != nil {
		_ = l.client.Close()
	}
}

// hangUp closes the connection. The next command opens another.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		_ = l.client.Close()
		l.client = nil
	}
}

// session opens a session. done gives its place to another. A connection that was lost
// is opened again; nothing has run by then.
func (l *link) session(ctx context.Context) (s *ssh.Session, done func(), err error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	for range 2 {
		var c *client
		if c, err = l.open(ctx); err != nil {
			break
		}
		if s, err = newSession(ctx, c); err == nil {
			return s, func() { _ = s.Close(); <-l.slots }, nil
		}
		if ctx.Err() != nil {
			break
		}
		l.lose(c)
	}
	<-l.slots
	return nil, nil, errors.Join(ctx.Err(), err)
}

// newSession is a session of a client, which may have died and never answer: what opens
// a session just when a connection ends waits for ever in package ssh.
func newSession(ctx context.Context, c *client) (*ssh.Session, error) {
	type result struct {
		session *ssh.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := c.NewSession()
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		return r.session, r.err
	case <-c.ended:
		return nil, errors.New("the connection was lost")
	case <-ctx.Done():
		// Others use the connection: only the session goes, once it is there.
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// lose takes a connection that does not work away.
func (l *link) lose(c *client) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == c {
		l.client = nil
	}
}

// open is the connection, opened if need be. A machine that is not where it was is
// looked for anew.
func (l *link) open(ctx context.Context) (*client, error) {
	select {
	case l.dialing <- struct{}{}:
		defer func() { <-l.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c, err := l.current(); c != nil || err != nil {
		return c, err
	}
	c, err := l.dial(ctx)
	if err != nil && ctx.Err() == nil {
		if refreshErr := l.refreshAddress(ctx); refreshErr == nil {
			c, err = l.dial(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("node %s is not reachable, and may not be running: mkube start cluster starts it (%w)", l.name, errors.Join(ctx.Err(), err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client = c
	go l.watch(c)
	return c, nil
}

// current is the connection that is open, nil for none.
func (l *link) current() (*client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, fmt.Errorf("node %s was deleted", l.name)
	}
	return l.client, nil
}

func (l *link) dial(ctx context.Context) (*client, error) {
	t, err := l.target()
	if err != nil {
		return nil, err
	}
	config, err := t.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a handshake with nobody has no end
	c, channels, requests, err := ssh.NewClientConn(conn, t.address, config)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connecting to %s: %w", t.address, err)
	}
	return newClient(ssh.NewClient(c, channels, requests)), nil
}

// watch ends a connection whose other end has gone without a word, so that commands on
// it end, too.
func (l *link) watch(c *client) {
	for {
		select {
		case <-c.ended:
			l.lose(c)
			return
		case <-time.After(pulse):
		}
		answered := make(chan struct{})
		go func() {
			_, _, _ = c.SendRequest("keepalive@openssh.com", true, nil) // an error ends Wait as well
			close(answered)
		}()
		select {
		case <-answered:
		case <-c.ended:
		case <-time.After(3 * pulse):
			l.lose(c)
			return
		}
	}
}
