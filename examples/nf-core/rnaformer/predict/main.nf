process RNAFORMER_PREDICT {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container 'biocontainers/rnaformer-cli:0.1.0--pyhdfd78af_0'

    input:
    tuple val(meta), path(fasta)

    output:
    tuple val(meta), path("*.jsonl")       , emit: predictions
    tuple val(meta), path("*.failures.tsv"), emit: failures
    path "versions.yml"                    , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    // Exit code 1 and predictions: some records are bad, the others were written. With nothing
    // written, the process fails.
    """
    code=0
    rnaformer predict \\
        $fasta \\
        $args \\
        --threads $task.cpus \\
        --format jsonl \\
        --output ${prefix}.jsonl \\
        --failures ${prefix}.failures.tsv || code=\$?
    [ \$code = 0 ] || { [ \$code = 1 ] && [ -s ${prefix}.jsonl ]; } || exit \$code

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        rnaformer: \$(rnaformer --version | sed 's/.* //')
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.jsonl ${prefix}.failures.tsv

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        rnaformer: \$(rnaformer --version | sed 's/.* //')
    END_VERSIONS
    """
}
