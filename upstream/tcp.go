package upstream

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"notyet/wire"
)

// askTCP makes an attempt over TCP in a goroutine of its own.
func (u *Upstream) askTCP(x *Exchange) {
	select {
	case u.tcp <- struct{}{}:
	default:
		x.finish(nil, ErrBusy)
		return
	}
	u.tcpWG.Go(func() {
		reply, err := u.exchangeTCP(x)
		<-u.tcp
		x.finish(reply, err)
	})
}

func (u *Upstream) exchangeTCP(x *Exchange) ([]byte, error) {
	limit := x.limit(time.Now())
	ctx, cancel := context.WithDeadline(u.ctx, limit)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.config.Addr.String())
	if err != nil {
		return nil, u.tcpError(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	binary.BigEndian.PutUint16(x.Query, uint16(rand.Uint32()))
	message := binary.BigEndian.AppendUint16(nil, uint16(len(x.Query)))
	if _, err := conn.Write(append(message, x.Query...)); err != nil {
		return nil, u.tcpError(err)
	}
	for {
		reply, err := readMessage(conn)
		if err != nil {
			return nil, u.tcpError(err)
		}
		if len(reply) >= wire.HeaderLen && [2]byte(reply) == [2]byte(x.Query) && wire.MatchesQuestion(reply, x.Name, x.Type) {
			return reply, nil
		}
		u.meter.ignored.Inc()
	}
}

func (u *Upstream) tcpError(err error) error {
	if u.ctx.Err() != nil {
		return ErrStopped
	}
	return timeoutError(err)
}

// readMessage reads one message with its length before it (RFC 1035, section 4.2.2).
func readMessage(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}
