
  # Completions at the cursor. The only user code that it calls are readers of attributes.
  module Suggest
    MOST = 1000
    NAME = '[\p{L}_][\p{L}\p{N}_]*'
    PATH = /((?:::)?(?:@@?|\$)?#{NAME}(?:(?:::|\.|&\.)#{NAME})*)(::|\.|&\.)(#{NAME}[?!]?)?\z/
    LITERALS = { /["'`]\z/ => String, /\d\z/ => Integer, /\d\.\d+\z/ => Float, /[^)\w\]}]\[[^\[\]]*\]\z|\A\[[^\[\]]*\]\z/ => Array,
                 /(?:\A|[=(,]\s*)\{[^{}]*\}\z/ => Hash, /(?:\A|[^:\w]):#{NAME}\z/ => Symbol }.freeze
    WORDS = %w[__FILE__ __LINE__ __method__ alias and begin break case class def defined? do else elsif end ensure false for if in
               module next nil not or redo rescue retry return self super then true undef unless until when while yield].freeze
    METHODS = Kernel.instance_method(:methods)
    CLASS = Kernel.instance_method(:class)
    UNKNOWN = Object.new

    class << self
      def answer(id, code)
        start, names = suggest(code)
        Wire.send(ASIDE, say: :completions, id: id, start: start, suggestions: names.first(MOST))
      rescue Exception
        Wire.send(ASIDE, say: :completions, id: id, start: nil, suggestions: [])
      end

      def suggest(code)
        line = code.lines.last || ''
        case line
        when /\brequire[\s(]+['"]([^'"]*)\z/ then found(code, $1, libraries($1))
        when /(#{NAME})\[(:|"|')([^'"\]]*)\z/ then keys(code, $1, $2, $3)
        when /\A(?:[^"']|"[^"]*"|'[^']*')*["']([^"']*)\z/ then files(code, $1)
        when PATH
          path, sign, prefix = $1, $2, $3 || ''
          object = resolve(path)
          object.equal?(UNKNOWN) ? [nil, []] : found(code, prefix, members(object, sign))
        when /\.(#{NAME}[?!]?)?\z/
          prefix = $1 || ''
          before = line[0...(line.length - prefix.length - 1)].delete_suffix('&')
          literal = LITERALS.to_a.reverse.find { |pattern, _| pattern.match?(before) }
          literal ? found(code, prefix, literal.last.instance_methods) : [nil, []]
        when /(\$#{NAME}|\$)\z/ then found(code, $1, global_variables)
        when /(@@?(?:#{NAME})?)\z/ then found(code, $1, TOPLEVEL_BINDING.receiver.instance_variables)
        when /(#{NAME}[?!]?)\z/ then found(code, $1, names)
        else [nil, []]
        end
      end

      # Names with the typed beginning, those with an underscore last.
      def found(code, prefix, names)
        names = names.map(&:to_s).uniq.select { |name| name.start_with?(prefix) && !name.start_with?('_bai_') }
        hidden, plain = names.partition { |name| name.start_with?('_') }
        [code.length - prefix.length, plain + hidden]
      end

      def names
        main = TOPLEVEL_BINDING.receiver
        TOPLEVEL_BINDING.local_variables.sort + main.singleton_methods.sort +
          (Object.private_instance_methods(false) | main.private_methods | main.methods).sort + Object.constants.sort + WORDS
      end

      def members(object, sign)
        names = METHODS.bind(object).call
        common = names & Object.instance_methods
        names = (names - common).sort + common.sort
        names = object.constants.sort + names if Module === object && sign == '::'
        names.reject { |name| name !~ /\A#{NAME}[?!]?\z/ }
      rescue TypeError
        # It is not an Object.
        []
      end

      # The value of a path of names, in which only readers of attributes are called.
      def resolve(path)
        first, *rest = path.split(/(::|\.|&\.)/)
        first, _, *rest = rest if first.empty?
        value = variable(first)
        rest.each_slice(2) do |sign, name|
          return UNKNOWN if value.equal?(UNKNOWN)
          value = sign == '::' && name =~ /\A\p{Lu}/ ? constant(value, name) : attribute(value, name)
        end
        value
      end

      def variable(name)
        case name
        when 'self' then TOPLEVEL_BINDING.receiver
        when /\A@/ then TOPLEVEL_BINDING.receiver.instance_variable_get(name)
        when /\A\$/ then global_variables.include?(name.to_sym) ? eval(name) : UNKNOWN
        when /\A\p{Lu}/ then constant(Object, name)
        else TOPLEVEL_BINDING.local_variable_defined?(name) ? TOPLEVEL_BINDING.local_variable_get(name) : UNKNOWN
        end
      end

      def constant(owner, name)
        return UNKNOWN unless Module === owner && owner.const_defined?(name)
        owner.const_get(name)
      end

      def attribute(object, name)
        method = Kernel.instance_method(:method).bind(object).call(name)
        variable = "@#{name}"
        reads = method.arity.zero? && method.source_location && RubyVM::InstructionSequence.of(method).nil?
        reads && object.instance_variable_defined?(variable) ? object.instance_variable_get(variable) : UNKNOWN
      rescue NameError, TypeError
        UNKNOWN
      end

      def keys(code, name, sign, prefix)
        hash = variable(name)
        return [nil, []] unless Hash === hash
        kind = sign == ':' ? Symbol : String
        found(code, prefix, hash.keys.grep(kind))
      end

      def libraries(prefix)
        folders = $LOAD_PATH.map(&:to_s).select { |folder| File.directory?(folder) }
        files = folders.flat_map { |folder| Dir.glob("#{prefix}*{.rb,.so,/}", base: folder) }
        files.map { |file| file.sub(/\.(rb|so)\z/, '') }.sort
      end

      def files(code, prefix)
        entries = Dir.glob("#{prefix}*").map { |entry| File.directory?(entry) ? "#{entry}/" : entry }
        entries.empty? ? [nil, []] : found(code, prefix, entries.sort)
      end
    end
  end
