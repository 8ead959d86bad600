package networkpolicies

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/network"
)

// queueNumber is the number of the netfilter queue. No other program is known to use this number. The
// rules that a node has when it boots have it as well (pkg/component/networkpolicies).
const queueNumber = 102

const (
	// patience is how long a packet waits for a final decision before it is dropped. TCP repeats the
	// first packet of a connection after a second.
	patience = time.Second
	// recheck is the pause between two attempts to decide about a packet that waits.
	recheck = 20 * time.Millisecond
	// maxWaiting is how many packets can wait at the same time. It is less than maxQueued, so that
	// they do not keep other packets out of the queue.
	maxWaiting = 256
	// maxQueued is how many packets the kernel queues. It drops more than that.
	maxQueued = 1024
	// maxHeaders is how many bytes of a packet are copied. No header chain is longer than a packet,
	// which has at most 1,500 bytes on most networks.
	maxHeaders = 2048
	// readBuffer is the size of the socket's buffer in bytes. A packet that does not fit is dropped.
	readBuffer = 4 << 20
)

// A queue sets a verdict for each packet that the kernel queues. Packets that cannot be parsed, that
// the queue has no room for, and that nobody decides about in time, are dropped.
type queue struct {
	// decide returns whether policies allow a packet. If final is false, the queue asks again.
	decide func(ctx context.Context, p *network.Packet) (allowed, final bool)
	// set sets the verdict for a packet. It is safe for concurrent use.
	set func(id uint32, allowed bool)
	// waiting has an element for each packet that waits.
	waiting chan struct{}
}

// run receives packets until ctx ends, or until receiving fails. The kernel drops the packets that are
// queued then.
func (q *queue) run(ctx context.Context) error {
	socket, err := open()
	if err != nil {
		return fmt.Errorf("opening queue %d: %w", queueNumber, err)
	}
	defer socket.Close()
	q.set = func(id uint32, allowed bool) {
		verdict := nfqueue.NfDrop
		if allowed {
			verdict = nfqueue.NfAccept
		}
		if err := socket.SetVerdict(id, verdict); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Failed to set the verdict for a packet")
		}
	}
	failed := make(chan error, 1)
	err = socket.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		if a.PacketID != nil {
			q.handle(ctx, *a.PacketID, a.Payload)
		}
		return 0
	}, func(err error) int {
		if op := (*netlink.OpError)(nil); ctx.Err() != nil || errors.As(err, &op) && (op.Timeout() || op.Temporary()) {
			return 0
		}
		failed <- err
		return 1 // receives no more
	})
	if err != nil {
		return fmt.Errorf("listening on queue %d: %w", queueNumber, err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("receiving packets from queue %d: %w", queueNumber, err)
	}
}

func open() (*nfqueue.Nfqueue, error) {
	socket, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: queueNumber,
		// The kernel does not segment large packets before it queues them. Without
		// NfQaCfgFlagFailOpen, it drops packets that the queue has no room for.
		Flags:        nfqueue.NfQaCfgFlagGSO,
		MaxPacketLen: maxHeaders,
		MaxQueueLen:  maxQueued,
		Copymode:     nfqueue.NfQnlCopyPacket,
		WriteTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	// With NoENOBUFS, a full buffer is no error of the socket. The kernel counts the packets that it
	// drops in /proc/net/netfilter/nfnetlink_queue.
	if err := errors.Join(socket.SetOption(netlink.NoENOBUFS, true), socket.Con.SetReadBuffer(readBuffer)); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

// handle sets the verdict for a packet, now or within patience. It does not block.
func (q *queue) handle(ctx context.Context, id uint32, payload *[]byte) {
	if payload == nil {
		q.set(id, false)
		return
	}
	packet, err := parse(*payload)
	if err != nil {
		klog.V(2).InfoS("A packet cannot be parsed", "err", err)
		q.set(id, false)
		return
	}
	allowed, final := q.decide(ctx, &packet)
	if final {
		q.set(id, allowed)
		return
	}
	select {
	case q.waiting <- struct{}{}:
		go func() {
			defer func() { <-q.waiting }()
			q.set(id, q.wait(ctx, &packet))
		}()
	default: // too many packets wait
		q.set(id, false)
	}
}

// wait returns the final decision about a packet, or false if there is none within patience.
func (q *queue) wait(ctx context.Context, packet *network.Packet) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
			if allowed, final := q.decide(ctx, packet); final {
				return allowed
			}
		}
	}
}
