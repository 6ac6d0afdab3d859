# The driver of Ruby; crates/bai-runner/src/wire.rs describes the messages. The main thread only runs cells, so that they
# see an ordinary Ruby. A second thread talks to the runner; it completes names even while a cell runs.
#
# Cells can see only these parts of it: one private constant, the methods _bai_doc and IO.console, and a second thread.

module BaiRepl
  CONTROL, REPORT, ASIDE = ARGV.shift(3).zip(%w[r w w]).map do |number, mode|
    IO.for_fd(Integer(number), mode).tap { |io| io.close_on_exec = true }
  end
  PROCESS = Process.pid

  # Messages: sent in frames that a signal cannot tear, received as lines of words.
  module Wire
    PIECE = 4096 - 7
    LOCK = Mutex.new
    ACKS = {}
    @number = 0

    class << self
      def send(pipe, message)
        payload = json(message).b
        # A signal handler may not lock; it has interrupted the only thread that could be here.
        number = begin
          LOCK.synchronize { @number = (@number + 1) & 0xffffffff }
        rescue ThreadError
          @number = (@number + 1) & 0xffffffff
        end
        ACKS[number] = yield if block_given?
        begin
          piece = payload.slice!(0, PIECE)
          pipe.syswrite([number, piece.bytesize, payload.empty? ? 1 : 0].pack('L<S<C') << piece)
        end until payload.empty?
        number
      end

      # Returns when the runner has read all earlier output; at once in a process that a cell has forked.
      def say(message)
        return if Process.pid != PROCESS
        taken = Queue.new
        number = send(REPORT, message) { taken }
        taken.pop
      ensure
        ACKS.delete(number)
      end

      def json(value)
        case value
        when Hash then "{#{value.map { |key, item| "#{json(key)}:#{json(item)}" }.join(',')}}"
        when Array then "[#{value.map { |item| json(item) }.join(',')}]"
        when String, Symbol
          text = value.to_s.encode('UTF-8', invalid: :replace, undef: :replace).scrub
          "\"#{text.gsub(/["\\\x00-\x1f]/) { |c| format('\u%04x', c.ord) }}\""
        when nil then 'null'
        else value.to_s
        end
      end

      def unescape(text)
        text.gsub(/\\(.)/) { { 'n' => "\n", 'r' => "\r" }[$1] || $1 }
      end

      def listen
        while (line = CONTROL.gets("\n", chomp: true))
          word, id, text = line.force_encoding('UTF-8').split(' ', 3)
          case word
          when 'ack' then ACKS[id.to_i]&.push(true)
          when 'run', 'script' then Cells::WAITING.push([id.to_i, unescape(text || ''), word == 'run'])
          when 'window' then Window.change(id.to_i, *text.split(' '))
          when 'bye' then Cells::WAITING.push(nil)
          when 'complete' then Suggest.answer(id.to_i, unescape(text || ''))
          end
        end
        # The runner has ended, and so does everything that it started.
        Process.kill(:KILL, 0)
      end
    end
  end

  # The window in which a person sees the output; variables tell children. A value of the user stays.
  module Window
    @ours = {}
    @size = [24, 80]

    class << self
      attr_reader :size

      def change(columns, rows, *pairs)
        before, @size = @size, columns.zero? ? [24, 80] : [rows.to_i, columns]
        pairs.map { |pair| pair.split('=', 2) }.each do |name, value|
          next unless [nil, 'dumb', @ours[name]].include?(ENV[name])
          ENV[name] = @ours[name] = value.empty? ? nil : value
        end
        Process.kill(:WINCH, PROCESS) if @size != before && Signal.list.key?('WINCH')
      end
    end
  end

  # Two pipes have no common order, so a write to standard error waits before and after until the runner has read the
  # output. That usually happens at once, and the system reports it sooner than the runner.
  module Ordered
    FIONREAD = RUBY_PLATFORM.include?('linux') ? 0x541b : nil
    LOOKS = 60

    def self.settle(io)
      if FIONREAD
        LOOKS.times do
          count = +"\0\0\0\0"
          io.ioctl(FIONREAD, count)
          return if count == "\0\0\0\0"
          Thread.pass
        end
      end
      Wire.say(say: :sync)
    end

    def write(*)
      Ordered.settle(STDOUT)
      super
    ensure
      Ordered.settle(STDERR)
    end
  end

  # `warn` does not use the stream's own `write`.
  module Warned
    def warn(message, *rest)
      Ordered.settle(STDOUT)
      super(message, *rest)
    ensure
      Ordered.settle(STDERR)
    end
    ruby2_keywords(:warn) if respond_to?(:ruby2_keywords, true)
  end

  # The functions of io/console for code that asks for a secret. The answer comes on standard input.
  module Secret
    def noecho(**)
      Wire.say(say: :ask, password: true, stdin: true)
      yield self
    end

    def getpass(question = nil)
      STDOUT.write(question) if question
      noecho(&:gets)&.chomp
    end

    def echo=(shown)
      Wire.say(say: :ask, password: true, stdin: true) unless shown
    end

    def winsize
      Window.size
    end
  end

  # There is no terminal; the standard streams replace it.
  class Console < BasicObject
    WRITES = %i[write print puts printf << putc flush sync= p].freeze

    def method_missing(name, *arguments, &block)
      (WRITES.include?(name) ? ::STDOUT : ::STDIN).public_send(name, *arguments, &block)
    end

    def respond_to?(name, *)
      ::STDIN.respond_to?(name)
    end
  end

  # binding.irb asks with a prompt, as in a terminal, and does not repeat what is typed.
  module Irb
    def setup(*, **)
      super
      conf[:PROMPT_MODE] = :DEFAULT if conf[:PROMPT_MODE] == :NULL
      conf[:VERBOSE] = false if conf[:VERBOSE].nil?
    end

    # A context asks with a prompt.
    module Prompting
      def prompting?
        true
      end
    end
  end

  # Runs cells.
  module Cells
    WAITING = Queue.new
    NOTHING = proc {}
    DEFINITIONS = %i[DEFN DEFS CLASS MODULE SCLASS ALIAS VALIAS UNDEF].freeze
    ASSIGNMENTS = %i[LASGN DASGN DASGN_CURR IASGN GASGN CVASGN CDECL MASGN OP_ASGN_OR OP_ASGN_AND OP_ASGN1 OP_ASGN2].freeze
    # An assigned value is shown on one line only.
    GLANCE = 76
    SOURCES = {}
    @users_handler = 'DEFAULT'
    @count = 0

    class << self
      # Returns when the interpreter has to end.
      def serve
        while (cell = WAITING.pop)
          run(*cell)
        end
      end

      def run(id, code, shows)
        status = 1
        begin
          begin
            trap('INT', @users_handler)
            Wire.send(ASIDE, say: :started, id: id)
            status = evaluate(code, shows)
          ensure
            disarm
          end
        rescue Interrupt
          # It came after the end of the cell.
        end
        exit!(status) if Process.pid != PROCESS
        Wire.send(REPORT, say: :done, id: id, code: status)
      end

      # From here on SIGINT is ignored.
      def disarm
        handler = trap('INT', NOTHING)
        @users_handler = handler unless handler.equal?(NOTHING)
      rescue Interrupt
        retry
      end

      def evaluate(code, shows)
        name = "<cell #{@count += 1}>"
        SOURCES[name] = code.lines
        value = eval(question(code) || code, TOPLEVEL_BINDING, name, 1)
        TOPLEVEL_BINDING.local_variable_set(:_, value)
        show(value, kind(code)) unless !shows || code.rstrip.end_with?(';')
        0
      rescue SystemExit => exit
        exit.status
      rescue Exception => error
        report(error)
        1
      end

      # The question `Name?` or `name??`. With one mark, a name that begins with a small letter is a method.
      def question(code)
        asked = code.match(/\A\s*((?:@@?|\$)?[\p{L}_][\p{L}\p{N}_:.#]*)(\?\??)\s*\z/) or return
        "_bai_doc('#{asked[1]}')" if asked[2] == '??' || asked[1] =~ /(?:\A|[:.])\p{Lu}[^:.#]*\z/
      end

      # The kind of the last statement.
      def kind(code)
        tree = RubyVM::AbstractSyntaxTree.parse(code).children.last
        tree = tree.children.last while tree && tree.type == :BLOCK
        return :definition if DEFINITIONS.include?(tree&.type)
        ASSIGNMENTS.include?(tree&.type) ? :assignment : :expression
      rescue StandardError, ScriptError
        # Other implementations do not have this tree.
        code =~ /^\s*(def|class|module)\b.*\z/m && code.rstrip.end_with?('end') ? :definition : :expression
      end

      def show(value, kind)
        return if value.nil? || kind == :definition
        text = value.inspect.to_s
        if kind == :assignment
          text = "#{text[0, GLANCE]}..." if text.length > GLANCE
        elsif text.length > GLANCE && !text.include?("\n")
          require 'pp'
          text = value.pretty_inspect.chomp
          text = "\n#{text}" if text.include?("\n")
        end
        STDOUT.write("=> #{text}\n")
      end

      def report(error)
        # In Ruby's form, without the driver's frames.
        text = error.full_message(highlight: false, order: :top)
        lines = text.lines.reject { |line| line =~ /\A\s+(from|\d+: from) (<bai-repl driver>|-e):\d+:in / }
        lines[0] = lines[0].sub(/\A(<bai-repl driver>|-e):\d+:in [`'][^']*': /, '') if lines[0]
        complain(lines.join.chomp + "\n")
      rescue Interrupt
        raise
      rescue Exception
        complain("#{error.class}, which cannot be described\n")
      end

      def complain(text)
        STDERR.write(text)
      end
    end
  end
